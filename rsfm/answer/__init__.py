"""From a scene to answers and files: windows, words, maps, products, conversations, retrieval."""
