"""What Python distributions need of Debian that neither they nor a slim Python image bring, and why."""

# ruff: noqa: E501 - tables, read by their columns
from __future__ import annotations

__all__ = ["BUILD", "RUN"]

# distribution: ((package, reason), ...)
RUN: dict[str, tuple[tuple[str, str], ...]] = {
    "lightgbm": (("libgomp1", "lib_lightgbm.so is linked with OpenMP, and its wheel does not bring libgomp"),),
    "xgboost": (("libgomp1", "libxgboost.so loads libgomp where its wheel brings none"),),
    "catboost": (("libgomp1", "its trees are trained and applied with OpenMP"),),
    "implicit": (("libgomp1", "its solvers are linked with OpenMP"),),
    "opencv-python": (
        ("libgl1", "cv2 with windows is linked with libGL; opencv-python-headless does without"),
        ("libglib2.0-0t64", "cv2 is linked with libgthread"),
    ),
    "opencv-contrib-python": (
        ("libgl1", "cv2 with windows is linked with libGL; opencv-contrib-python-headless does without"),
        ("libglib2.0-0t64", "cv2 is linked with libgthread"),
    ),
    "open3d": (
        ("libgl1", "draws by OpenGL"),
        ("libgomp1", "is linked with OpenMP"),
        ("libx11-6", "is linked with X11"),
    ),
    "psycopg2": (("libpq5", "has no wheels: the extension that pip builds is linked with libpq"),),
    "psycopg": (("libpq5", "without its [binary] extra it loads libpq of the system"),),
    "mysqlclient": (("libmariadb3", "has no wheels: the extension is linked with the client library"),),
    "pyodbc": (("unixodbc", "loads the driver manager of the system"),),
    "pydub": (("ffmpeg", "decodes all but WAV by the ffmpeg program"),),
    "openai-whisper": (("ffmpeg", "reads audio by the ffmpeg program"),),
    "ffmpeg-python": (("ffmpeg", "is a wrapper of the ffmpeg program"),),
    "pyaudio": (("libportaudio2", "is linked with PortAudio"),),
    "sounddevice": (("libportaudio2", "loads PortAudio of the system"),),
    "python-magic": (("libmagic1", "loads libmagic of the system"),),
    "pytesseract": (("tesseract-ocr", "runs the tesseract program"),),
    "tesserocr": (("tesseract-ocr", "is linked with tesseract"),),
    "pdf2image": (("poppler-utils", "runs pdftoppm"),),
    "pdftotext": (("libpoppler-cpp2", "is linked with Poppler"),),
    "unstructured": (("libmagic1", "tells types of files by libmagic"),),
    "weasyprint": (("libpango-1.0-0", "loads Pango"), ("libpangoft2-1.0-0", "loads Pango")),
    "cairosvg": (("libcairo2", "loads Cairo"),),
    "pyzbar": (("libzbar0", "loads ZBar"),),
    "graphviz": (("graphviz", "runs the dot program"),),
    "gitpython": (("git", "runs the git program"),),
    "python-ldap": (("libldap2", "is linked with OpenLDAP"),),
    "pygraphviz": (("graphviz", "is linked with Graphviz"),),
    "deepspeed": (("libaio1t64", "offloads to disk by libaio"),),
    "pycairo": (("libcairo2", "is linked with Cairo"),),
    "pyscard": (("libpcsclite1", "is linked with PC/SC"),),
    "pylibmc": (("libmemcached11t64", "is linked with libmemcached"),),
    "konlpy": (("default-jre-headless", "runs Java"),),
    "pyspark": (("default-jre-headless", "runs Java"),),
    "tabula-py": (("default-jre-headless", "runs Java"),),
    "dlib": (("libopenblas0-pthread", "is linked with BLAS when pip builds it"),),
}
# Of these no wheel exists (or none for many machines): pip compiles them
BUILD: dict[str, tuple[tuple[str, str], ...]] = {
    "psycopg2": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("libpq-dev", "is compiled against libpq")),
    "mysqlclient": (
        ("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("pkg-config", "finds the client library"),
        ("libmariadb-dev", "is compiled against the client library"),
    ),
    "pyaudio": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("portaudio19-dev", "is compiled against PortAudio")),
    "python-ldap": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("libldap-dev", "is compiled against it"),
                    ("libsasl2-dev", "is compiled against it")),
    "pygraphviz": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("libgraphviz-dev", "is compiled against it")),
    "pdftotext": (("g++", "is compiled"), ("pkg-config", "finds Poppler"), ("libpoppler-cpp-dev", "is compiled against it")),
    "pycairo": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("pkg-config", "finds Cairo"), ("libcairo2-dev", "headers")),
    "pylibmc": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("libmemcached-dev", "headers")),
    "llama-cpp-python": (("g++", "llama.cpp is compiled"), ("cmake", "llama.cpp is compiled"), ("make", "llama.cpp is compiled")),
    "dlib": (("g++", "is compiled"), ("cmake", "is compiled"), ("make", "is compiled"), ("libopenblas-dev", "BLAS")),
    "fasttext": (("g++", "is compiled"),),
    "hnswlib": (("g++", "is compiled"),),
    "pyscard": (("gcc", "is compiled"), ("libc6-dev", "is compiled"), ("swig", "is compiled"), ("libpcsclite-dev", "headers")),
    "uwsgi": (("gcc", "is compiled"), ("libc6-dev", "is compiled")),
    "tesserocr": (("g++", "is compiled"), ("pkg-config", "finds tesseract"), ("libtesseract-dev", "headers"),
                  ("libleptonica-dev", "headers")),
    "flash-attn": (("g++", "its kernels are compiled"), ("ninja-build", "its kernels are compiled")),
}  # fmt: skip
