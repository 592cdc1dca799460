"""Video files: containers through PyAV and raw streams, in and out, as coded pictures.

Under the reader, the writer and the transcoder. Must not know: pixels, decoders, encoders.
"""
