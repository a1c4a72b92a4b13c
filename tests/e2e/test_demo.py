# SPDX-License-Identifier: Apache-2.0
"""`make demo`'s script ends well, and says so."""

import os
import subprocess
import sys

from rig import BUILD, ROOT


def test_the_demo_ends_well():
    done = subprocess.run([sys.executable, str(ROOT / "tests/demo/demo.py")], env=dict(os.environ, BUILD=str(BUILD)), capture_output=True, text=True,
                          timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered again after their delete was confirmed: 0" in done.stdout
    assert "What to try next" in done.stdout
