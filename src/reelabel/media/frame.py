"""One decoded frame."""

from __future__ import annotations

from fractions import Fraction

from av.video.frame import PictureType, VideoFrame

from reelabel.media.convert import Picture, Size, bgr_to_grey, to_bgr, to_grey, to_rgb


class Frame:
    """One decoded frame; its pixels are converted only when they are asked for.

    Attributes:
        pts: time stamp in units of the video's time base, by which the frame is identified.
        index: position among the decoded frames from the start of the video, for display; the
            position in the `Timeline` where the part before was skipped by seeking.
        time_s: seconds since the first frame, for display.
        is_key: True if decoding can start here: no other picture is needed.
        damaged: True if the decoder reports a concealed error in it, or its file ends inside it.
    """

    __slots__ = ("_picture", "_sar", "damaged", "index", "is_key", "pts", "time_s")

    def __init__(
        self,
        picture: VideoFrame,
        *,
        pts: int,
        index: int,
        time_s: float,
        sar: Fraction,
        damaged: bool = False,
    ) -> None:
        self.pts = pts
        self.index = index
        self.time_s = time_s
        self.is_key = stands_alone(picture)
        self.damaged = damaged or bool(picture.is_corrupt)
        self._picture = picture
        self._sar = sar

    def __repr__(self) -> str:
        """Return which frame it is, in words."""
        return f"Frame(pts={self.pts}, index={self.index}, time_s={self.time_s:.3f})"

    def rgb(self, fit_wh: Size | None = None) -> Picture:
        """Return ``(height, width, 3)`` uint8 RGB: upright, square pixels, deinterlaced.

        Args:
            fit_wh: a size into which the picture is reduced with its shape kept; never enlarged.
        """
        return to_rgb(self._picture, self._sar, fit_wh)

    def grey(self, fit_wh: Size | None = None) -> Picture:
        """Return ``(height, width)`` uint8 luma in 0..255, otherwise as `rgb`."""
        return to_grey(self._picture, self._sar, fit_wh)

    def bgr(self) -> Picture:
        """Return ``(height, width, 3)`` uint8 BGR, the picture that OpenCV's reader gives.

        Upright and at its coded size: pixels are not made square, fields not taken apart.
        """
        return to_bgr(self._picture)

    def bgr_grey(self) -> Picture:
        """Return ``(height, width)`` uint8, the grey of OpenCV's reader: `bgr`, weighed.

        It differs from `grey`, which is the luma that the video holds, by rounding and clipping.
        """
        return bgr_to_grey(self.bgr())


def stands_alone(picture: VideoFrame) -> bool:
    """Return whether this is a key frame; streams that refresh bit by bit flag false ones."""
    return bool(picture.key_frame) and picture.pict_type not in {PictureType.P, PictureType.B}
