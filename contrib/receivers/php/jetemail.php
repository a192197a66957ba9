<?php
// Profile `jetemail`, by the headers and the signature that JetEmail's documentation describes:
// `sha256=` and the HMAC of the raw body, and a timestamp that must be fresh.
//
//   WEBHOOK_SECRET=… php -S 127.0.0.1:8000 jetemail.php

require __DIR__ . '/answer.php';

function verifyWebhook(string $rawBody, string $signature, string $timestamp, string $secret): bool
{
    if (abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    return hash_equals('sha256=' . hash_hmac('sha256', $rawBody, $secret), $signature);
}

$rawBody = file_get_contents('php://input');
$genuine = verifyWebhook(
    $rawBody,
    $_SERVER['HTTP_X_WEBHOOK_SIGNATURE'] ?? '',
    $_SERVER['HTTP_X_WEBHOOK_TIMESTAMP'] ?? '',
    getenv('WEBHOOK_SECRET'),
);
answer($genuine && $_SERVER['HTTP_X_WEBHOOK_ID'] === json_decode($rawBody, true)['id'], $rawBody);
