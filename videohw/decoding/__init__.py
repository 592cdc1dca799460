"""What is given to a decoder, on its way to a backend; and what becomes of damaged pictures."""
