"""What Yokogawa's imagers share: one list of measurement records, and a few files that say what they mean.

`locating` finds the list, `records` reads it, `settings` reads the files beside it, `timing` numbers the
timepoints, `image_files` finds the images on the disk, `measurement` makes tiles of all that.
"""
