"""AWS Bedrock's wire: the frames in which it streams."""

from .frames import Frame, FrameReader, encode_frame

__all__ = ["Frame", "FrameReader", "encode_frame"]
