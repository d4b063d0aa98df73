"""Processes text alone: letters, lines, sentences, languages. It knows no post and no policy."""
