-- Where a session was begun from: for people to recognise their own. Of older ones nobody knows.
ALTER TABLE session ADD COLUMN source TEXT;     -- an address
ALTER TABLE session ADD COLUMN browser TEXT;    -- in words, such as "Firefox on Windows"
