"""YOLOX, trained from the weights of an ONNX file."""
