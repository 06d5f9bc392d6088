"""A package, so that its fixtures end with it: a running browser keeps an event loop, and other tests need theirs."""
