CREATE TABLE prediction (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now(),
    measurements jsonb NOT NULL,
    species text NOT NULL,
    probabilities jsonb NOT NULL
);
