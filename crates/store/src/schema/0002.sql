-- Where event rules sent each compliance change, so that a replay can say what would differ.
ALTER TABLE bus_events ADD COLUMN routes TEXT;
