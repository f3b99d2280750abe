from bottle import Bottle, request, run

app = Bottle()


@app.route("/predict")
def predict() -> dict[str, float]:
    return {"y": 2 * float(request.query.x) + 1}


if __name__ == "__main__":
    run(app, host="localhost", port=8080, debug=True)
