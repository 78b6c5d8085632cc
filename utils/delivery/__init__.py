"""From a trained model to a running product."""
