"""What is given to an encoder, on its way to a backend; and what all backends do with it."""
