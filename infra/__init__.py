"""Unbraid in one's own AWS account: a CDK app of one stack, one construct a file, and what deploys it."""

from __future__ import annotations

import os

# The CDK's engine runs on Node.js and prints a banner about all versions but the newest; 18.18 and later do here.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,19,20,21,22,23")
os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
