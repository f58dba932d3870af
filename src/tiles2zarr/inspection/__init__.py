"""Looking at sources and stores: what would be converted, whether a store conforms, whether its pixels are the source's."""
