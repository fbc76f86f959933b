"""How well the product predicts on real shops, beside every baseline. Never part of the tests."""
