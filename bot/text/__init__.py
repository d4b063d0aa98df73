"""Reads text as text: letters, lines, sentences, languages. It knows no post and no policy."""
