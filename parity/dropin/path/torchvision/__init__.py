"""Found instead of torchvision by processes that a drop-in program starts: minitorch.vision takes its place."""

import importlib
import sys

from parity.dropin import install

del sys.modules["torchvision"]
install()
sys.modules["torchvision"] = importlib.import_module("torchvision")
