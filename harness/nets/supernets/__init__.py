"""Networks that hold the weights of all architectures of a space at once."""
