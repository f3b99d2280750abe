CREATE INDEX prediction_made_at ON prediction (made_at DESC);
