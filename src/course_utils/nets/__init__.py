"""Building blocks of networks: modules that turn tensors into tensors and know no probability."""
