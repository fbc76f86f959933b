"""Uplift on a real randomised trial (Hillstrom), beside other tools. Never part of the tests."""
