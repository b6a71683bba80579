-- Changes to what runs are judged by after a number, in order.
SELECT no, at_us, who, auth, body, hash FROM governance WHERE no > :after ORDER BY no;
