"""What a page of the explorer carries, read back by the description of its format rather than by its own script."""

import base64
import json
import re
import zlib

import numpy as np


class Payload:
    """The description of a page's points, and the packed arrays that it points to."""

    def __init__(self, html):
        self.data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', html, re.DOTALL)[1])
        self.parts = re.findall(r'class="explorer-part">(.*?)</script>', html, re.DOTALL)

    def __getitem__(self, name):
        return self.data[name]

    def array(self, packed):
        return array(packed, self.parts)

    def texts(self, packed):
        return texts(packed, self.parts)


def array(packed, parts):
    dtype = np.dtype("<" + packed["type"])
    data = zlib.decompress(base64.b64decode(parts[packed["part"]], validate=True))
    count = len(data) // dtype.itemsize
    values = (bytes(data[plane * count + k] for plane in range(dtype.itemsize)) for k in range(count))
    return np.frombuffer(b"".join(values), dtype)


def texts(packed, parts):
    ends = np.cumsum(array(packed["lengths"], parts))
    utf8 = array(packed["bytes"], parts).tobytes()
    return [
        utf8[end - length : end].decode("utf-8", "surrogatepass")
        for end, length in zip(ends, array(packed["lengths"], parts), strict=True)
    ]
