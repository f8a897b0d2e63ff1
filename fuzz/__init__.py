"""Requests made up to break Duck, and the rules that every reply must keep all the same. Not packaged."""
