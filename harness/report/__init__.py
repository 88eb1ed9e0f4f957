"""Records to markdown tables, plots and facts. Reads ``core.record`` only; never imports Keras or TensorFlow."""
