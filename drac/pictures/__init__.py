"""What people look at: galleries of augmentations, strips of frames, videos."""
