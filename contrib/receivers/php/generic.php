<?php
// Profile `generic`: `sha256=` and the HMAC of the body, as the guide that the profile follows
// says it.
//
//   WEBHOOK_SECRET=… php -S 127.0.0.1:8000 generic.php

require __DIR__ . '/answer.php';

$rawBody = file_get_contents('php://input');
$expected = 'sha256=' . hash_hmac('sha256', $rawBody, getenv('WEBHOOK_SECRET'));
answer(hash_equals($expected, $_SERVER['HTTP_X_WEBHOOK_SIGNATURE'] ?? ''), $rawBody);
