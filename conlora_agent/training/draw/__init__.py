"""Renderers: pictures with exact labels, drawn from fonts and openly licensed clip-art."""
