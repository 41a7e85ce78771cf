"""Third-party models behind one door; nothing else in clipspace knows where a model comes from."""
