import os

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-a-laptop")
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
WSGI_APPLICATION = "shop.wsgi.application"
