"""Fuzzing of the decoder and the parser: any bytes in, only the errors that are promised out.

    python -m fuzz.decoder --seconds 600

``case`` says what an input means, ``target`` and ``parser`` run one and hold it to the contract,
``mutate`` makes new ones of ``seeds``, ``engine`` runs them in child processes and keeps what it
finds, ``minimise`` cuts a finding down.
"""
