"""The AWS deployment: a CDK app of two stacks with one construct per file, and the `unbraid deploy` command."""

from __future__ import annotations

import os

# The CDK's engine runs on Node.js and warns about every version but the newest. 18.18 and later work here.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,19,20,21,22,23")
os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
