from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0002_lists'),
        ('orders', '0002_saved_views'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # New indexes first: MySQL keeps a foreign key only with one that begins with its column.
    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['created_at', 'id', 'status', 'customer', 'due_date', 'deleted_at', 'total', 'updated_at'], name='order_by_created'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['updated_at', 'id', 'status', 'customer', 'due_date', 'deleted_at', 'total', 'created_at'], name='order_by_updated'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['status', 'created_at', 'id', 'customer', 'due_date', 'deleted_at', 'total'], name='order_by_status_created'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['status', 'updated_at', 'id', 'customer', 'due_date', 'deleted_at', 'total'], name='order_by_status_updated'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['customer', 'created_at', 'id', 'status', 'due_date', 'deleted_at', 'total'], name='order_by_customer_created'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['customer', 'updated_at', 'id', 'status', 'due_date', 'deleted_at', 'total'], name='order_by_customer_updated'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['status', 'due_date', 'created_at', 'id', 'customer', 'deleted_at', 'total'], name='order_by_status_due'),
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_customer_id',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_status_id',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_created',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_updated',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_status_created',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_customer_created',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='order_due',
        ),
    ]
