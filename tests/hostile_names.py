"""Names made to break a page that takes them for anything but text."""

NAMES = [
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "line\u2028separator\u2029\u0000\ud800",
    "\"'`${window.hacked = 1}\\",
]
