-- Ada (account 1) in every table that can hold a user, as owner and in what bo (account 2) has.
INSERT INTO access_entry VALUES (1, 'grant', 0, 'user', 'wv:bo@north.example', NULL);
INSERT INTO access_entry VALUES (2, 'block', 0, 'user', 'wv:Ada@north.example', NULL);
INSERT INTO access_entry VALUES (2, 'block', 1, 'screen-name', 'wv:Ada/chess@north.example', 'Queen');
INSERT INTO attribute_list VALUES (1, 'everybody', '', '', 1, 0);
INSERT INTO attribute_list VALUES (2, 'user', 'wv:ada@north.example', 'wv:Ada@north.example', 1, 0);
INSERT INTO contact_list VALUES (1, 'wv:ada/friends@north.example', 0, 'wv:Ada/friends@north.example', NULL);
INSERT INTO contact_list VALUES (2, 'wv:bo/friends@north.example', 0, 'wv:bo/friends@north.example', NULL);
INSERT INTO contact VALUES (1, 'wv:ada/friends@north.example', 0, 'wv:bo@north.example', NULL);
INSERT INTO contact VALUES (2, 'wv:bo/friends@north.example', 0, 'wv:Ada@north.example', 'Ada@north');
INSERT INTO content_item VALUES ('aaaaaaaaaaaaaaaaaaaaaaaa', 1, 'me.png', 'image/png', 3, x'00', 'link', 1, 9000000000000);
INSERT INTO content_item VALUES
    ('bbbbbbbbbbbbbbbbbbbbbbbb', 2, 'map.png', 'image/png', 3, x'00', 'group:wv:Ada/chess@north.example', 1, 9000000000000);
INSERT INTO csp_session VALUES ('s-1', 1, 'phone', NULL, NULL, NULL, '1.2', 'xml', NULL, 600, 1, 1, x'');
INSERT INTO csp_session VALUES ('s-2', 2, 'phone', NULL, NULL, NULL, '1.2', 'xml', NULL, 600, 1, 1, x'');
INSERT INTO followed_list VALUES (1, 'wv:ada/friends@north.example', 's-1', 'wv:Ada/friends@north.example', 1);
INSERT INTO following VALUES (1, 'wv:zoe@south.example', 's-1', 'wv:zoe@south.example', 'south.example', 1, 0);
INSERT INTO following VALUES (2, 'wv:ada@north.example', 's-2', 'wv:Ada@north.example', 'north.example', 1, 0);
INSERT INTO group_auto_join VALUES (1, 'wv:/sea@south.example', 'wv:/sea@south.example');
INSERT INTO group_auto_join VALUES (2, 'wv:ada/chess@north.example', 'wv:Ada/chess@north.example');
INSERT INTO im_group VALUES (1, 'wv:ada/chess@north.example', 'wv:Ada/chess@north.example', 'wv:Ada@north.example',
    'wv:ada@north.example', 1, NULL, NULL, NULL);
INSERT INTO im_group VALUES (2, 'wv:bo/go@north.example', 'wv:bo/go@north.example', 'wv:bo@north.example',
    'wv:bo@north.example', 1, NULL, NULL, NULL);
INSERT INTO group_invited VALUES (2, 'wv:ada@north.example', 'wv:Ada@north.example');
INSERT INTO group_member VALUES (1, 'wv:bo@north.example', 'wv:bo@north.example', 'User');
INSERT INTO group_member VALUES (2, 'wv:ada@north.example', 'wv:Ada@north.example', 'Mod');
INSERT INTO group_message VALUES (1, 1, 'm-1', 1, 9000000000000, x'00');
INSERT INTO group_message VALUES (2, 2, 'm-1', 1, 9000000000000, CAST(x'0300' || 'wv:Ada@north.example' || x'00' AS BLOB));
INSERT INTO group_message VALUES (3, 2, 'm-2', 1, 9000000000000, CAST('wv:bo@north.example' AS BLOB));
INSERT INTO group_occupant VALUES (1, 2, 'wv:ada@north.example', 'wv:Ada@north.example', 'phone', NULL, NULL, 1, 's-1', 'Queen', 0);
INSERT INTO group_own_property VALUES (2, 'wv:ada@north.example', 'ShowID', 'wv:Ada@north.example', 'T');
INSERT INTO group_property VALUES (1, 'Name', 'Games of ada@north.example');
INSERT INTO group_rejected VALUES (2, 'wv:ada@north.example', 'wv:Ada@north.example');
INSERT INTO group_visit VALUES
    ('s-1', 'wv:/sea@south.example', 'wv:/sea@south.example', 'wv:Ada@north.example', 'wv:ada@north.example', 'phone', NULL, NULL, 'Queen');
INSERT INTO invitation VALUES (1, 'wv:Ada@north.example', 'i-1', 'wv:bo@north.example', 'wv:bo@north.example', NULL, 9000000000000, 'IM', NULL);
INSERT INTO invitation VALUES (2, 'wv:bo@north.example', 'i-2', 'wv:Ada@north.example', 'wv:Ada@north.example', NULL, 9000000000000, 'IM', NULL);
INSERT INTO invitation VALUES (3, 'wv:bo@north.example', 'i-3', 'wv:zoe@south.example', 'wv:zoe@south.example', NULL, 9000000000000, 'GR',
    'wv:Ada/chess@north.example');
INSERT INTO invitation_count VALUES ('wv:Ada@north.example', 1, 1);
INSERT INTO lists VALUES (1, 1, 'wv:Ada/friends@north.example', 0, 0);
INSERT INTO lists VALUES (2, 1, NULL, 0, 0);
-- A message to ada goes back to its author before it goes.
INSERT INTO mailbox VALUES (1, 1, 0, 'm-1', 'wv:bo@north.example', 'north.example', 1, 9000000000000, 0, NULL, 'text/plain', 1, 1, x'00', NULL, NULL);
INSERT INTO mailbox VALUES (2, 2, 0, 'm-2', 'wv:Ada@north.example', 'north.example', 1, 9000000000000, 0, NULL, 'text/plain', 1, 1, x'00', NULL, NULL);
INSERT INTO mailbox VALUES (3, 2, 2, 'm-3', 'wv:bo@north.example', 'north.example', 1, 9000000000000, 0, NULL, 'text/plain', 1, 1,
    CAST(x'0300' || 'wv:Ada@north.example' || x'00' AS BLOB), 's-2', 'presence wv:Ada@north.example');
INSERT INTO notification_wish VALUES ('s-1', 1);
INSERT INTO outbox VALUES (4, 'north.example', 'south.example', 'request', 'SendMessageRequest', 'm-4', 'wv:Ada@north.example', 1, 1,
    9000000000000, 1, 0, NULL, 1, x'00', NULL, NULL, 0);
INSERT INTO outbox VALUES (5, 'north.example', 'south.example', 'notice', 'PresenceNotification', NULL, NULL, 1, 1,
    9000000000000, 1, 0, NULL, 1, CAST('<UserID>wv:Ada@north.example</UserID>' AS BLOB), 'presence wv:Ada@north.example', NULL, 0);
INSERT INTO presence VALUES (1, 1, NULL, 0);
INSERT INTO presence VALUES (2, 1, NULL, 0);
INSERT INTO presence_question VALUES (1, 'wv:bo@north.example', 'wv:bo@north.example', 1, 9000000000000);
INSERT INTO presence_question VALUES (2, 'wv:ada@north.example', 'wv:Ada@north.example', 1, 9000000000000);
INSERT INTO presence_value VALUES (1, '', CAST('ada@north.example' AS BLOB));
INSERT INTO profile_property VALUES (1, 'USER_EMAIL_ADDRESS', 'ada@north.example');
INSERT INTO sent VALUES ('m-5', 'south.example', 'wv:Ada@north.example', 9000000000000);
INSERT INTO system_message VALUES (1, 1, 'news', 0, CAST('wv:ada@north.example' AS BLOB), NULL, 9000000000000, NULL, NULL);
INSERT INTO watched VALUES (1, 'wv:bo@north.example', 'wv:bo@north.example', 'PRESENCE_ACCESS', 1, NULL);
INSERT INTO watched VALUES (2, 'wv:ada@north.example', 'wv:Ada@north.example', 'PRESENCE_ACCESS', 1, NULL);
INSERT INTO watcher VALUES (1, 'north.example', 'wv:bo@north.example', 's-2', 'wv:bo@north.example', 's-2', NULL, NULL, NULL, 1, 0, 0);
INSERT INTO watcher VALUES (2, 'north.example', 'wv:ada@north.example', 's-1', 'wv:Ada@north.example', 's-1', NULL, NULL, NULL, 1, 0, 0);
