"""Known published models, made of our own modules, with the weights of their authors."""
