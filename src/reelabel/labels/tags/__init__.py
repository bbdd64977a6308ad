"""Rules on arrays that find wrong tags of videos and the frames that a tag does not fit."""
