from django.http import HttpRequest, JsonResponse
from django.urls import path


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def predict(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"y": 2 * float(request.GET["x"]) + 1})


urlpatterns = [path("health", health), path("predict", predict)]
