"""Genotype to Keras model, supernets, the one training loop: the only floor that imports TensorFlow."""
