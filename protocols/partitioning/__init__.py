"""Who keeps which key: placement as pure functions over many keys at once, and a store that moves what it keeps."""
