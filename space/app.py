"""The page of the Hugging Face Space; the same as `duban demo`."""

import duban
from duban.demo import build, launch

launch(build(duban.load(device="cpu")), server_name="0.0.0.0")
