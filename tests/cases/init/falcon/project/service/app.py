import falcon


class Predict:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.media = {"y": 2 * request.get_param_as_float("x", required=True) + 1}


class Health:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.media = {"status": "ok"}


api = falcon.App()
api.add_route("/predict", Predict())
api.add_route("/health", Health())
