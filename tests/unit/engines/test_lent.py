import subprocess
import sys


def test_to_name_what_turns_work_with_brings_no_library_of_sound() -> None:
    heavy = {"numpy", "av", "onnxruntime", "aiohttp"}
    code = f"import sys, simplevoice.engines.lent; sys.exit(bool({heavy} & {{*sys.modules}}))"
    subprocess.run([sys.executable, "-c", code], check=True)
