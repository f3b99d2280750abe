from fastapi import APIRouter

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/predict")
def predict(x: float) -> dict[str, float]:
    return {"y": 2 * x + 1}
