"""Access control: who may call which methods, and for which records."""
