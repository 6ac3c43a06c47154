import subprocess
import sys


def test_to_name_what_turns_work_with_brings_no_library_of_sound() -> None:
    code = "import sys, simplevoice.engines; sys.exit(bool({'numpy', 'av', 'onnxruntime', 'aiohttp'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)
