"""Looking at sources and stores: what would be converted, whether a store is what it should be."""
