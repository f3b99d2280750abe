from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/predict")
    def predict() -> dict[str, float]:
        return {"y": 7.0}

    return app
