"""Text: tokenizers of language, chat, numbers in words, forms an answer can be bound to."""
