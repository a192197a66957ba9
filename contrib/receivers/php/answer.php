<?php
// Answers 200 to a genuine request and 401 to any other, and says so on standard error.

function answer(bool $genuine, string $rawBody): void
{
    $status = $genuine ? 200 : 401;
    $id = $genuine ? json_decode($rawBody, true)['id'] : '-';
    file_put_contents('php://stderr', "$status $id\n");
    http_response_code($status);
}
