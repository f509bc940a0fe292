from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0004_event_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('deleted_at', models.DateTimeField(default=None, editable=False, null=True, verbose_name='deleted at')),
                ('event_seq', models.PositiveIntegerField(default=0, editable=False)),
                ('url', models.CharField(max_length=500, verbose_name='address')),
                ('description', models.CharField(blank=True, max_length=255, verbose_name='description')),
                ('types', models.JSONField(default=list, verbose_name='events')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('secret', models.CharField(editable=False, max_length=64)),
                ('old_secret', models.CharField(blank=True, editable=False, max_length=64)),
                ('old_secret_until', models.DateTimeField(default=None, editable=False, null=True)),
                ('failing_since', models.DateTimeField(default=None, editable=False, null=True)),
                ('last_error', models.CharField(blank=True, editable=False, max_length=500)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
            ],
            options={
                'verbose_name': 'webhook',
                'verbose_name_plural': 'webhooks',
            },
        ),
    ]
